// Command shop-go is the function image shop-go: a shop's catalogue, read from a file that is handed to the container.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "futon.invalid/functions/internal/pb/shop"
	"futon.invalid/functions/internal/rpc"
	"futon.invalid/functions/internal/serve"
)

func main() {
	addr := flag.String("addr", "0.0.0.0:50051", "address to listen on, HOST:PORT")
	file := flag.String("catalog", "/etc/shop/catalog.json", "file with the products")
	flag.Parse()
	products, err := read(*file)
	if err != nil {
		serve.Exit(fmt.Errorf("shop-go: %w", err))
	}
	serve.Exit(rpc.Run("shop-go", *addr, func(server *grpc.Server) {
		pb.RegisterCatalogueServer(server, catalogue{products: products})
	}))
}

type item struct {
	ID    string
	Name  string
	Price float64
	Tags  []string
}

func read(file string) ([]*pb.Product, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read the catalogue: %w", err)
	}
	var items []item
	if err := json.Unmarshal(text, &items); err != nil {
		return nil, fmt.Errorf("%s is no catalogue: %w", file, err)
	}
	products := make([]*pb.Product, 0, len(items))
	for _, item := range items {
		products = append(products, &pb.Product{Id: item.ID, Name: item.Name, Price: item.Price, Tags: item.Tags})
	}
	return products, nil
}

type catalogue struct {
	pb.UnimplementedCatalogueServer
	products []*pb.Product
}

func (c catalogue) List(context.Context, *pb.ListRequest) (*pb.Products, error) {
	return &pb.Products{Products: c.products}, nil
}

func (c catalogue) Get(_ context.Context, request *pb.GetRequest) (*pb.Product, error) {
	for _, product := range c.products {
		if product.GetId() == request.GetId() {
			return product, nil
		}
	}
	return nil, status.Errorf(codes.NotFound, "no product has the id %q", request.GetId())
}

func (c catalogue) Search(_ context.Context, request *pb.SearchRequest) (*pb.Products, error) {
	found := new(pb.Products)
	for _, product := range c.products {
		if strings.Contains(strings.ToLower(product.GetName()), strings.ToLower(request.GetWord())) {
			found.Products = append(found.Products, product)
		}
	}
	return found, nil
}
